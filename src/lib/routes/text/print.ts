import type {TableChange, TableView} from '../../apply/driver.js'
import type {MappingPlan} from '../../routing/plan.js'
import type {RenderFormat} from '../../routing/render-formats.js'
import {planNsc, renderNsc} from '../../routing/render-nsc.js'
import {changesOf, type ChangePlan} from '../draft.js'
import type {RouteChange} from '../result.js'
import type {Session} from '../session.js'
import {accountName, renderPlans} from './render.js'

/** The results of a dry run, with the text that another tool applies. */
export function printChanges(
  {view}: Pick<Session, 'view'>,
  plans: readonly ChangePlan[],
  planned: readonly RouteChange[],
): Promise<RouteChange[]> {
  return Promise.all(
    plans.map(async (plan, index) => {
      const {print} = plan.options
      const printed = await printChange(changesOf(plan), view, print === 'all' ? undefined : print)
      return {...planned[index]!, state: 'printed', driver: 'print', printed}
    }),
  )
}

/** A change as text for another tool to apply: in one form, or in every form that tools take, each under a heading. */
async function printChange(change: TableChange, view: TableView, format: RenderFormat | undefined): Promise<string> {
  if (format !== undefined) return printAs(change, view, format)
  const named = accountName(view) !== undefined
  const forms = (['config', 'jwt', 'nsc'] as const).filter((form) => form !== 'nsc' || named)
  const texts = await Promise.all(forms.map((form) => printAs(change, view, form)))
  return texts.map((text, index) => `# ${headings[forms[index]!]}\n${text}`).join('\n')
}

const headings = {
  config: 'Configuration of each server: the only mappings block of the account, with what else it maps',
  jwt: "Claims of the account's token",
  nsc: 'Lines for nsc, one after the other',
}

/** What the account has is known, so lines for nsc change no more than they must. */
async function printAs(change: TableChange, view: TableView, format: RenderFormat): Promise<string> {
  const account = accountName(view)
  if (format !== 'nsc' || account === undefined) {
    const plans = change.map(({source, destinations = []}): MappingPlan => ({source, destinations}))
    return renderPlans(plans, {format, account})
  }
  const steps = planNsc(
    change.map(({source, destinations = []}) => ({
      source,
      // A subject may be named as what every object has.
      present: (Object.hasOwn(view.mappings, source) ? view.mappings[source]! : []).map(({weight, ...place}) => ({
        ...place,
        weight: weight === 0 ? 100 : (weight ?? 100),
      })),
      wanted: destinations,
    })),
  )
  return renderNsc(steps, account)
}
