// Forms of strings that Kubernetes gives meaning to: names, labels, quantities. Their patterns mean the
// same to RE2 and to JavaScript.
import * as z from 'zod';
import { mapOf, patterned, ruled, text } from './meta.ts';
import {
  type Form,
  imageReference as imageForm,
  dnsLabel as labelForm,
  subdomain,
  dnsSubdomain as subdomainForm,
} from './patterns.ts';
import { milliOf } from './quantity.ts';
import { cel, matching, type Rule } from './rules.ts';

/** DNS-1123 label: the name of a namespace, a port. */
export const dnsLabel = () => formed(labelForm);
/** DNS-1123 subdomain: the name of most objects. */
export const dnsSubdomain = () => formed(subdomainForm);
/** Of a container. */
export const imageReference = () => formed(imageForm);

function formed({ max, pattern, message }: Form) {
  return patterned(max, pattern, message);
}

const shortName = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const qualifiedName = new RegExp(`^(${subdomain}/)?${shortName}$`);
/** Keys that Spillway's own labels and annotations have. */
const ownKeys = 'spillway.dev/';

/** Keys of labels and annotations: right in form, and none that Spillway sets itself. */
function keyRules(field: string, reserved: readonly string[]): Rule<Record<string, string>>[] {
  return [
    {
      cel: `self.all(k, k.size() <= 317 && k.matches(${cel(qualifiedName.source)}))`,
      holds: (map) => Object.keys(map).every((k) => k.length <= 317 && qualifiedName.test(k)),
      message: `${field}: every key must be a name of at most 63 letters, digits, "-", "_" and ".", with an optional DNS prefix before a "/": correct the key`,
    },
    {
      cel: `!self.exists(k, k.startsWith(${cel(ownKeys)}) || k in ${cel(reserved)})`,
      holds: (map) => !Object.keys(map).some((k) => k.startsWith(ownKeys) || reserved.includes(k)),
      message: `${field}: ${[`keys that begin with "${ownKeys}"`, ...reserved].join(', ')} are set by Spillway itself: remove them`,
    },
  ];
}

/** Names of resources that a container may have: those of Kubernetes itself, and extended ones with their domain. */
const resourceName = new RegExp(
  `^(cpu|memory|ephemeral-storage|hugepages-[0-9]{1,9}[KMGT]i|${subdomain}/${shortName})$`,
);

/** The keys of `field`, a map of quantities by resource. */
export const resourceNames = (field: string): Rule<Record<string, unknown>> => ({
  cel: `self.all(k, k.size() <= 317 && k.matches(${cel(resourceName.source)}))`,
  holds: (map) => Object.keys(map).every((k) => k.length <= 317 && resourceName.test(k)),
  message: `${field}: every key must be a resource: cpu, memory, ephemeral-storage, hugepages-2Mi, or one with its domain before a "/": correct the key`,
});

/** Key of a taint, which is that of a label. */
export const taintKey = () =>
  ruled(
    text(317, 0),
    matching(
      new RegExp(`^(${qualifiedName.source.slice(1, -1)})?$`),
      'must be the key of a taint: at most 63 letters, digits, "-", "_" and ".", with an optional DNS prefix before a "/"',
    ),
  );

export const labelValue = () =>
  ruled(
    text(63, 0),
    matching(
      /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/,
      'must be a label value: letters, digits, "-", "_" and ".", with a letter or digit at both ends',
    ),
  );

/** Labels to select nodes by: whatever nodes carry. */
export const nodeLabels = (field: string) =>
  ruled(mapOf(labelValue(), 64), ...keyRules(field, []).slice(0, 1));

/** Labels to add. */
export const labels = (field: string, reserved: readonly string[] = []) =>
  ruled(mapOf(labelValue(), 64), ...keyRules(field, reserved));

/** Annotations to add. */
export const annotations = (field: string, reserved: readonly string[] = []) =>
  ruled(mapOf(text(16384, 0), 64), ...keyRules(field, reserved));

const decimalForm = 'must be a number from 0.001 to 9999, written like 8, "8", "2500m" or "2.5"';

/**
 * A decimal above 0 as Kubernetes writes quantities of CPU: 8, "8", "2500m", "1.5". No floats in an API.
 */
export const decimalQuantity = () =>
  ruled(
    z
      .union(
        [
          z.int().min(0).max(9999, decimalForm),
          z
            .string()
            .max(16, { error: decimalForm, abort: true })
            .regex(/^([0-9]{1,4}(\.[0-9]{1,3})?|[0-9]{1,7}m)$/, decimalForm),
        ],
        { error: decimalForm },
      )
      .meta({ 'x-kubernetes-int-or-string': true }),
    {
      // Whatever the pattern lets through is more than 0 when it has a digit that is.
      cel: "type(self) == int ? self > 0 : self.matches('[1-9]')",
      holds: (value) => (milliOf(value) ?? 0) > 0,
      message: 'must be more than 0: write it like 8, "8", "2500m" or "2.5"',
    },
  );
