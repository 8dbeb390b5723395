import {answer, fail, readCall} from './guest'
import {echoRequest} from './http'
import {version} from './version'

/** What the host calls, one call at a time: 1 is an answer, 0 an error. */
export function __guest_call(operationLength: i32, payloadLength: i32): i32 {
  // The minimal runtime never collects by itself, and here nothing of an earlier call is still needed.
  __collect()
  const call = readCall(operationLength, payloadLength)
  if (call.operation == 'HttpServer.HandleRequest') {
    const response = echoRequest(call.payload, version)
    if (response === null) return fail('The payload is not an HTTP request.')
    return answer(response.bytes, response.length)
  }
  if (call.operation == 'Echo.Echo') return answer(call.payload)
  if (call.operation == 'Echo.Version') return answer(String.UTF8.encode(version))
  return fail('Echo has no operation ' + call.operation + '.')
}
