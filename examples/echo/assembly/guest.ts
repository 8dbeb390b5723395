// The guest's side of the waPC calls, as wasmCloud actors make them: everything goes through pointers into our memory.

@external('wasmbus', '__guest_request')
declare function guestRequest(operation: usize, payload: usize): void

@external('wasmbus', '__guest_response')
declare function guestResponse(pointer: usize, length: i32): void

@external('wasmbus', '__guest_error')
declare function guestError(pointer: usize, length: i32): void

/** One call that the host makes. */
export class Call {
  constructor(
    public operation: string,
    public payload: ArrayBuffer,
  ) {}
}

/** Fetches the call that the host announced with these lengths. */
export function readCall(operationLength: i32, payloadLength: i32): Call {
  const operation = new ArrayBuffer(operationLength)
  const payload = new ArrayBuffer(payloadLength)
  guestRequest(changetype<usize>(operation), changetype<usize>(payload))
  return new Call(String.UTF8.decode(operation), payload)
}

/** Answers the call with the first `length` bytes; its result is what `__guest_call` returns. */
export function answer(bytes: ArrayBuffer, length: i32 = bytes.byteLength): i32 {
  guestResponse(changetype<usize>(bytes), length)
  return 1
}

/** Fails the call; its result is what `__guest_call` returns. */
export function fail(message: string): i32 {
  const bytes = String.UTF8.encode(message)
  guestError(changetype<usize>(bytes), bytes.byteLength)
  return 0
}
