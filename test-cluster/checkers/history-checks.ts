import { findAnomalies, type History } from 'trimaran/history'
import { Violation } from './violation.ts'

/** What `trimaran chaos` judges its histories by. Throws the first anomaly as a Violation. */
export function checkHistory(history: History): void {
  for (const { id, what } of findAnomalies(history)) throw new Violation(id, what)
}
