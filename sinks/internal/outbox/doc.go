// Package outbox keeps messages in files until another program has taken them:
// each at least once, in order, over outages and restarts, within a bound.
package outbox
