/**
 * Measures of synthetic text: label agreement with a judge, diversity, and whether planted secrets
 * come out. Everything here reads finished texts; what it says of real data is for the custodian.
 */
package palimpsest.synth.evaluate;
