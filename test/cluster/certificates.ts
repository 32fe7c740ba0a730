// A certificate authority for one cluster, and the kubeconfigs that its certificates make.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

export type Certificate = { key: string; certificate: string };

export type Authority = {
  /** The file with the authority's own certificate. */
  readonly certificate: string;
  /** The key with which service account tokens are signed. */
  readonly serviceAccountKey: string;
  /** Makes the files of a server certificate for `hosts` (names or IPv4 addresses). */
  server(name: string, hosts: readonly string[]): Promise<Certificate>;
  /** Makes the files of a client certificate, which Kubernetes reads as user and groups. */
  client(user: string, groups: readonly string[]): Promise<Certificate>;
  /** Writes a kubeconfig for such a user and returns its path. */
  kubeconfig(url: string, user: string, groups: readonly string[]): Promise<string>;
};

/** The administrator whom RBAC does not limit. */
export const admin = { user: 'admin', groups: ['system:masters'] };

// Kubernetes reads an elliptic curve key for tokens only in this older form.
const inPem = { type: 'sec1', format: 'pem' } as const;

/** Makes a new authority whose files are in `folder`. */
export async function makeAuthority(folder: string): Promise<Authority> {
  mkdirSync(folder, { recursive: true });

  const key = (name: string): string => {
    const file = join(folder, `${name}.key`);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    writeFileSync(file, privateKey.export(inPem), { mode: 0o600 });
    return file;
  };

  const issue = async (
    name: string,
    subject: readonly string[],
    extensions: readonly string[],
    signer?: Certificate,
  ): Promise<Certificate> => {
    const made = { key: key(name), certificate: join(folder, `${name}.crt`) };
    const config = [
      '[req]',
      'prompt = no',
      'distinguished_name = subject',
      'x509_extensions = extensions',
      'string_mask = utf8only',
      '[subject]',
      ...subject,
      '[extensions]',
      'subjectKeyIdentifier = hash',
      ...extensions,
    ];
    const settings = join(folder, `${name}.cnf`);
    writeFileSync(settings, `${config.join('\n')}\n`);
    const by = signer === undefined ? [] : ['-CA', signer.certificate, '-CAkey', signer.key];
    await run([
      ...['openssl', 'req', '-new', '-x509', '-sha256', '-days', '3650', '-config', settings],
      ...['-key', made.key, '-out', made.certificate],
      ...by,
    ]);
    return made;
  };

  const root = await issue(
    'ca',
    ['CN = spillway-test-cluster'],
    ['basicConstraints = critical, CA:TRUE', 'keyUsage = critical, keyCertSign, digitalSignature'],
  );

  const server: Authority['server'] = (name, hosts) => {
    const alternatives = hosts.map((host) =>
      /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`,
    );
    return issue(
      name,
      [`CN = ${name}`],
      ['extendedKeyUsage = serverAuth', `subjectAltName = ${alternatives.join(', ')}`],
      root,
    );
  };

  const client: Authority['client'] = (user, groups) =>
    issue(
      fileName(user),
      [...groups.map((group, index) => `${index}.O = ${group}`), `CN = ${user}`],
      ['extendedKeyUsage = clientAuth'],
      root,
    );

  const kubeconfig: Authority['kubeconfig'] = async (url, user, groups) => {
    const made = await client(user, groups);
    const file = join(folder, `${fileName(user)}.kubeconfig`);
    const data = (path: string) => readFileSync(path).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'cluster',
          cluster: { server: url, 'certificate-authority-data': data(root.certificate) },
        },
      ],
      users: [
        {
          name: 'user',
          user: {
            'client-certificate-data': data(made.certificate),
            'client-key-data': data(made.key),
          },
        },
      ],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
      'current-context': 'context',
    };
    // JSON is YAML too.
    writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
    return file;
  };

  return {
    certificate: root.certificate,
    serviceAccountKey: key('service-accounts'),
    server,
    client,
    kubeconfig,
  };
}

const fileName = (user: string): string => user.replaceAll(/[^A-Za-z0-9.-]/g, '-');
