import {askApi, jetStream} from '../../cache/jetstream.js'
import {ConnectionError} from '../../errors.js'
import {MissingSystemCredentialsError} from '../../nats/system-user.js'
import {hasSystemCredentials, type SystemClient} from '../../nats/system.js'
import type {RouteDeps} from '../session.js'

/** Records and the lease lie in JetStream, unless the user keeps records elsewhere. */
export async function needJetStream({connection, spec, access}: RouteDeps): Promise<void> {
  if (access?.state !== undefined) return
  try {
    await askApi(jetStream(connection, spec), 'INFO')
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    const {message, suggestions, details} = error
    throw new ConnectionError(message, {
      suggestions: [...suggestions, '--state file:routes.json   (keeps the records in a file)'],
      details,
      cause: error,
    })
  }
}

/** The system account's connection, once a server has answered on it. */
export async function openSystem({spec, system}: RouteDeps): Promise<SystemClient> {
  if (!hasSystemCredentials(spec)) throw new MissingSystemCredentialsError(spec)
  const client = await system()
  await client.servers()
  return client
}
