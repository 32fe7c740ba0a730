// The forms of names, as patterns that mean the same to RE2 and to JavaScript. Without the schemas that are made of
// them, for those who judge a single word.

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
/** Several DNS labels with dots between them, as the source of a pattern. */
export const subdomain = `${label}(\\.${label})*`;

export interface Form {
  readonly pattern: RegExp;
  /** Characters. */
  readonly max: number;
  /** What is told of a text that has another form. */
  readonly message: string;
}

/** DNS-1123 label: the name of a namespace, a port. */
export const dnsLabel: Form = {
  pattern: new RegExp(`^${label}$`),
  max: 63,
  message:
    'must be a DNS label: lower-case letters, digits and "-", with a letter or digit at both ends',
};

/** DNS-1123 subdomain: the name of most objects. */
export const dnsSubdomain: Form = {
  pattern: new RegExp(`^${subdomain}$`),
  max: 253,
  message:
    'must be a name of Kubernetes: lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part',
};

const pathPart = '[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*';
const registry = '([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])(:[0-9]{1,5})?';
/** As container registries read a reference (distribution/reference). */
export const imageReference: Form = {
  pattern: new RegExp(
    `^(${registry}/)?${pathPart}(/${pathPart})*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?$`,
  ),
  max: 512,
  message:
    'must be an image reference: [registry[:port]/]name[:tag][@sha256:digest], in lower case and without blanks',
};

/** Why a text has not the form; undefined: it has. */
export function formFault(text: string, { pattern, max, message }: Form): string | undefined {
  if (text.length > max) return `must have at most ${max} characters: shorten it`;
  return pattern.test(text) ? undefined : message;
}
