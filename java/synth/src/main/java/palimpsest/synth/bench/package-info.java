/**
 * Benchmark workloads: what runs, how often, and what roof it is measured against. Every timing is
 * bracketed by probes of the processor's peak in the same run, since cores of shared machines come
 * and go.
 */
package palimpsest.synth.bench;
