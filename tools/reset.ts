import { removeStackData, StackError } from '#infra/testing';
import { stackDataFolder } from './stack/home.js';

const folder = stackDataFolder();
try {
  console.log((await removeStackData(folder)) ? `Removed ${folder}` : `There is no data in ${folder}`);
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(`${error.message}; stop it first. Nothing was removed.`);
  process.exitCode = 1;
}
