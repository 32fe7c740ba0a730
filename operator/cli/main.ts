// The command line program. It must answer at once, so it loads what a command needs when it needs it,
// and nothing of the API client.
import { help, parseCommand, UsageError } from './arguments.ts';

async function main(words: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(words);
    switch (command.name) {
      case 'help':
        process.stdout.write(help);
        return 0;
      case 'version': {
        const { default: manifest } = await import('../../package.json', {
          with: { type: 'json' },
        });
        process.stdout.write(`${manifest.version}\n`);
        return 0;
      }
      case 'plan': {
        const { plan } = await import('./plan.ts');
        const { output, faults } = plan(command.arguments);
        // First what is wrong: with the output in a pipe, the last line on the screen is a fault.
        process.stdout.write(output);
        for (const fault of faults) process.stderr.write(`${fault}\n`);
        return faults.length === 0 ? 0 : 1;
      }
      case 'explain': {
        const { explain } = await import('./explain.ts');
        const { output, faults } = await explain(command.arguments);
        process.stdout.write(output);
        for (const fault of faults) process.stderr.write(`${fault}\n`);
        return faults.length === 0 ? 0 : 1;
      }
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`spillway: ${error.message}\nTry "spillway --help".\n`);
    return 2;
  }
}

// `spillway plan … | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
