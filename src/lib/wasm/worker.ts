import {parentPort, receiveMessageOnPort, workerData} from 'node:worker_threads'

import {Guest, trapText, type GuestOutcome, type OutgoingCall, type OutgoingReply} from './guest.js'
import type {FromWorker, ToWorker, WorkerInput} from './worker-messages.js'

const longestLine = 4096
/** Log lines of one call; a guest that logs in a loop must not fill the host's memory. */
const mostLines = 256

/** Runs one guest and answers one call after the other; everything that can be slow or stuck is stuck here only. */
function serve({module, replies, flag}: WorkerInput, port: NonNullable<typeof parentPort>): void {
  let lines = 0
  const post = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const log = (line: string): void => {
    lines += 1
    if (lines < mostLines) post({kind: 'log', line: line.slice(0, longestLine)})
    if (lines === mostLines) post({kind: 'log', line: 'more lines of this call are left out'})
  }
  const call = (outgoing: OutgoingCall): OutgoingReply => {
    Atomics.store(flag, 0, 0)
    post({kind: 'call', call: outgoing}, [outgoing.payload.buffer])
    Atomics.wait(flag, 0, 0)
    return receiveMessageOnPort(replies)?.message as OutgoingReply
  }
  const answer = (outcome: GuestOutcome): void =>
    post(outcome, outcome.kind === 'answer' ? [outcome.payload.buffer] : [])
  try {
    const guest = Guest.open(module, {call, log})
    port.on('message', ({operation, payload}: ToWorker) => {
      lines = 0
      answer(guest.call(operation, payload))
    })
    post({kind: 'ready'})
  } catch (error) {
    answer({kind: 'trap', message: trapText(error)})
  }
}

if (parentPort !== null) serve(workerData as WorkerInput, parentPort)
