import { removeStackData, StackError } from '#infra/testing';
import { stackDataFolder, wholeStackFolder } from './stack/home.js';

/** Data of `npm start`, and of `praxis stack up` where there is any. */
const [usual, whole] = [stackDataFolder(), wholeStackFolder()];
try {
  console.log((await removeStackData(usual)) ? `Removed ${usual}` : `There is no data in ${usual}`);
  if (await removeStackData(whole)) console.log(`Removed ${whole}`);
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(`${error.message}; stop it first. Its data was not removed.`);
  process.exitCode = 1;
}
