import {ServerError, TimeoutError} from '../errors.js'

/** The actor itself said that the call failed. */
export class GuestError extends ServerError {
  constructor(operation: string, text: string) {
    super(text, {details: {operation}})
  }
}

/** The actor trapped; its worker is lost, the actor is not. */
export class TrapError extends ServerError {
  constructor(operation: string, text: string) {
    super(`The actor broke off ${quote(operation)}: ${text}.`, {details: {operation}})
  }
}

/** The call's deadline passed while it waited for a worker or ran on one. */
export class DeadlineError extends TimeoutError {
  constructor(operation: string, phase: 'queued' | 'running') {
    const what = phase === 'queued' ? 'found no free worker in time' : 'did not end in time'
    super(`The call of ${quote(operation)} ${what}.`, {details: {operation, phase}})
  }
}

/** The actor is being stopped and takes no more calls. */
export class StoppedError extends ServerError {
  constructor(operation: string) {
    super(`The actor was stopped and does not answer ${quote(operation)}.`, {details: {operation}})
  }
}

function quote(operation: string): string {
  return JSON.stringify(operation.slice(0, 200))
}
