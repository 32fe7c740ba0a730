// References to one key of a Secret in the pool's namespace.
import { dnsSubdomain } from './formats.ts';
import { described, fields, patterned } from './meta.ts';

/** `what` completes "Name of the Secret with …". */
export const secretKeyRef = (what: string, defaultKey: string) =>
  fields({
    name: described(dnsSubdomain(), `Name of the Secret with ${what}, in the pool's namespace.`),
    key: described(
      patterned(
        253,
        /^(\.?[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$/,
        'must be a key of a Secret: letters, digits, "-", "_" and "."',
      ).default(defaultKey),
      `Key of the Secret that holds ${what}.`,
    ),
  });
