import { readHistory } from '../chaos/history-file.ts'
import { judge } from '../chaos/history/index.ts'
import { verdictLines } from '../chaos/report.ts'
import { exitCodes, printJson, printLine } from '../output.ts'

/** Judges a history that somebody has recorded. */
export async function check(
  file: string,
  options: { readonly countAcks1?: boolean; readonly json?: boolean },
): Promise<void> {
  const history = await readHistory(file)
  const how = { countLeaderAcks: options.countAcks1 === true }
  const verdict = judge(history, how)
  if (options.json === true) printJson({ ...verdict, history: file })
  else for (const line of verdictLines(verdict, file, how)) printLine(line)
  if (!verdict.kept) process.exitCode = exitCodes.failed
}
