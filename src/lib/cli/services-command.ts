import type {RouteAccess} from '../routes/access.js'
import {LatticeCommand} from './command.js'
import {servicesPlace} from './services-flag.js'

/** A command that knows the services of a file, and changes no route. */
export abstract class ServicesCommand<Result extends object> extends LatticeCommand<Result> {
  protected override routeAccess(flags: {readonly services?: string | undefined}): RouteAccess {
    return {...super.routeAccess(flags), services: servicesPlace(flags.services, (text) => this.note(text))}
  }
}
