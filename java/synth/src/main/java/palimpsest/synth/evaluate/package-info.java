/**
 * Measures of synthetic text: label agreement with a judge, diversity and length, distance from
 * real texts (n-grams, MAUVE), agreement of rankings, what was copied, and whether planted secrets
 * come out. Everything here reads finished texts; what it says of real data is for the custodian.
 */
package palimpsest.synth.evaluate;
