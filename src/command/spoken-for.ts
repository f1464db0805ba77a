// What the commands say of gateways that did not come when a shared store was rebuilt.
import { visible } from './table.ts';

/** One line that names them, what it means for the figures, and what to do; nothing when all came. */
export function spokenForText(logs: readonly string[]): string {
  if (logs.length === 0) return '';
  const names = visible(logs.join(', '));
  return (
    `Away when the budget store was rebuilt: the gateway of ${names}. What it last said counts as spent, and its ` +
    'open holds are not listed. Start it again on its state folder, and the figures are exact again.\n'
  );
}
