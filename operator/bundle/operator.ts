// Makes dist/operator.mjs: the whole operator in one file, for the image. `npm run bundle`.
import { build, type Plugin } from 'esbuild';
import { options } from './options.ts';

/**
 * The Kubernetes client does not say that its modules have no side effects, so that every model of the API would come
 * along with the one module that is used: 8 MB of memory.
 */
const lightClient: Plugin = {
  name: 'light-client',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async (args) => {
      if (args.pluginData === 'resolved' || !args.importer.includes('@kubernetes/client-node')) {
        return undefined;
      }
      const { importer, kind, resolveDir } = args;
      const found = await resolve(args.path, {
        importer,
        kind,
        resolveDir,
        pluginData: 'resolved',
      });
      return found.errors.length > 0 ? undefined : { ...found, sideEffects: false };
    });
  },
};

await build({
  ...options,
  plugins: [lightClient],
  entryPoints: [`${import.meta.dirname}/../main.ts`],
  outfile: `${import.meta.dirname}/../../dist/operator.mjs`,
  // Node keeps the text of the file in memory, in two bytes for each character when one of them needs two.
  charset: 'ascii',
  legalComments: 'external',
});
