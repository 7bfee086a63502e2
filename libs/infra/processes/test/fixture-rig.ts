import { CompiledProduct, findPort } from '#infra/testing';
import { RunningProgram, SteadyClients } from './running-program.js';

type Environment = Readonly<Record<string, string>>;
interface Pace {
  readonly count?: number;
  readonly pauseMs?: number;
}

/** Compiles the fixture once for a spec file, and sees that after each test nobody whom it started is left. */
export function fixtureRig() {
  let product: CompiledProduct;
  const programs: RunningProgram[] = [];
  const clients: SteadyClients[] = [];
  beforeAll(() => {
    product = new CompiledProduct('libs/infra');
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((each) => each.stop()));
    await Promise.all(programs.splice(0).map((program) => program.remove()));
  });
  afterAll(() => product.remove());

  async function start(env: Environment = {}, nodeOptions: readonly string[] = []): Promise<RunningProgram> {
    const port = await findPort('the fixture', [], () => undefined);
    const file = product.program('libs/infra/processes/test/fixture/main.ts');
    const settings = { FIXTURE_PORT: String(port), DRAIN_WAIT: '300', ...env };
    const program = new RunningProgram(file, settings, port, nodeOptions);
    programs.push(program);
    return program;
  }

  /** Resolves when `count` workers listen. */
  async function startCrew(count: number, env: Environment = {}, nodeOptions: readonly string[] = []) {
    const program = await start({ WEB_CONCURRENCY: String(count), ...env }, nodeOptions);
    await program.until(() => program.alive().length === count);
    return program;
  }

  function askAllTheTime({ port }: RunningProgram, path = '/', pace: Pace = {}): SteadyClients {
    const steady = new SteadyClients(port, path, pace);
    clients.push(steady);
    return steady;
  }

  return { start, startCrew, askAllTheTime, file: (name: string) => product.file(name) };
}
