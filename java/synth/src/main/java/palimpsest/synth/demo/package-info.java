/**
 * Data to show the system on: customer messages that a grammar in this repository writes, with
 * planted secrets whose exposure can be measured. Nobody's text is inside.
 */
package palimpsest.synth.demo;
