// spec.tls: encryption on both sides of the pooler.
import * as z from 'zod';
import { dnsSubdomain } from './formats.ts';
import { described, fields, ruled } from './meta.ts';
import { secretKeyRef } from './secret-ref.ts';

const verifying = ['verify-ca', 'verify-full'] as const;
const verifies = (mode: string | undefined) => verifying.some((name) => name === mode);

const server = ruled(
  fields({
    mode: described(
      z.enum(['disable', 'prefer', 'require', ...verifying]).optional(),
      "TLS towards Postgres, in libpq's words. The default checks the server with the CA of its cluster where that is known: verify-full when the certificate names the Service, else verify-ca; require when the CA is in another namespace; prefer without a CA.",
    ),
    caRef: described(
      secretKeyRef('the CA certificate', 'ca.crt').optional(),
      "CA that signed the server's certificate: needed for verify-ca and verify-full, and used by no other mode.",
    ),
  }),
  {
    cel: "!has(self.mode) || !(self.mode in ['verify-ca', 'verify-full']) || has(self.caRef)",
    holds: (tls) => !verifies(tls.mode) || tls.caRef !== undefined,
    message:
      'tls.server.caRef is needed for verify-ca and verify-full: name the Secret with the CA certificate',
  },
  {
    // Whoever gives a CA believes that it is checked.
    cel: "(has(self.mode) && self.mode in ['verify-ca', 'verify-full']) || !has(self.caRef)",
    holds: (tls) => verifies(tls.mode) || tls.caRef === undefined,
    message:
      'tls.server.caRef is checked only with mode verify-ca or verify-full: set the mode, or remove caRef',
  },
);

const client = fields({
  mode: described(
    z.enum(['allow', 'prefer', 'require']).default('prefer'),
    'TLS that clients may (allow, prefer) or must (require) use.',
  ),
  secretRef: described(
    fields({
      name: described(
        dnsSubdomain(),
        'Name of a kubernetes.io/tls Secret with tls.crt and tls.key.',
      ),
    }),
    'Certificate that the pooler shows to clients.',
  ),
});

export const tls = described(
  fields({
    server: described(server.prefault({}), 'TLS between the pooler and Postgres.'),
    client: described(client.optional(), 'TLS between the applications and the pooler.'),
  }).prefault({}),
  'Encryption on both sides.',
);
