/** What people look at: charts of a run's figures. */
package palimpsest.synth.report;
