// What `purser report --help` says below its flags: names, and what the numbers stand for.

/** Ready to print. */
export const REPORT_HELP = `
Names for --by: agent, owner, team, label.<name>, service, provider, payee, task, taskClaimed, asset, network, wallet,
entitlement, policy, day, month.

A purchase counts at the moment its money was held, in the month whose budgets it counts in, for life: a payment that is
settled, voided or resolved later changes the numbers of that month. Amounts are those of the budgets, fees included;
what is uncertain is never part of what is settled. The average is of settled payments, rounded to the nearest
micro-unit, a half upwards.

The numbers stand on an unbroken hash chain up to the last receipt, whose signature is checked. "purser receipts verify"
checks every signature, and with a head kept elsewhere that the log was not cut short.`;
