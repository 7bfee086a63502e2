export {
  type Departure,
  type DrainPlan,
  type DrainSteps,
  drain,
  endingMaxMs,
  inFlightMaxMs,
  inFlightMs,
} from './drain.js';
export { exitCodes } from './exit-codes.js';
export { HttpDoor } from './http-door.js';
export { type ProcessesConfig, processesConfig } from './processes.config.js';
export type { Host, Program, ProgramSettings, Service } from './program.js';
export { runProgram } from './run-program.js';
