/** Preloaded into a process of the simulator (`--import`): breaks the rule that SIM_BUG names before anything is loaded. */
import { registerHooks } from 'node:module'
import { mutated, packagesUrl } from './mutation.ts'
import { isMutationName, mutations } from './mutations.ts'

export const mutationVariable = 'SIM_BUG'

const name = process.env[mutationVariable] ?? ''
if (!isMutationName(name)) throw new Error(`${mutationVariable}=${name}: there is no such mutation`)
const { edits } = mutations[name]

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.startsWith(packagesUrl.href)) return loaded
    const file = url.slice(packagesUrl.href.length)
    const mine = edits.filter(edit => edit.file === file)
    if (mine.length === 0) return loaded
    const { source } = loaded
    const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()
    return { ...loaded, source: mine.reduce(mutated, text) }
  },
})
