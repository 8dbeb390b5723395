import {ConflictError} from '../errors.js'

/** The port that the server must have belongs to someone else. */
export class PortTakenError extends ConflictError {
  constructor(lattice: string, port: number, by?: string) {
    super(`Port ${port} is in use${by === undefined ? '' : ` by ${by}`}.`, {
      suggestions: [`lattice up --name ${lattice} --port 0`],
      details: {port, ...(by === undefined ? {} : {by})},
    })
  }
}
