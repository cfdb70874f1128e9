package palimpsest.synth.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.SplitMix64;

class GrammarTest {

  private static Grammar parse(String source) {
    return Grammar.parse(source, List.of("x", "y"), Set.of("root"));
  }

  private static Set<String> draws(Grammar grammar, String label) {
    SplitMix64 random = new SplitMix64(3);
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < 500; i++) {
      seen.add(grammar.expand("root", label, random));
    }
    return seen;
  }

  @Test
  void everyAlternativeIsReached() {
    Grammar grammar = parse("# c\n[root]\na {b|{c|d}|} e | f\n{#7-9}\n");
    assertEquals(
        Set.of("a b e", "a c e", "a d e", "a  e", "f", "7", "8", "9"), draws(grammar, "x"));
  }

  @Test
  void aDottedNameIsTheLabelsOwn() {
    Grammar grammar = parse("[root]\n{.core}\n[x.core]\nex\n[y.core]\nwhy\n");
    assertEquals(Set.of("ex"), draws(grammar, "x"));
    assertEquals(Set.of("why"), draws(grammar, "y"));
  }

  @Test
  void aBoundRuleIsDrawnOnceAMessage() {
    Grammar grammar = parse("[root]\n{@n} {@n} {m}\n[n]\na | b\n[m]\n{@n}\n");
    assertEquals(Set.of("a a a", "b b b"), draws(grammar, "x"));
  }

  @Test
  void weightsCount() {
    Grammar grammar = parse("[root]\n*3 a\nb\n");
    SplitMix64 random = new SplitMix64(1);
    int a = 0;
    for (int i = 0; i < 4000; i++) {
      a += grammar.expand("root", "x", random).equals("a") ? 1 : 0;
    }
    assertTrue(Math.abs(a - 3000) < 150, "drawn " + a);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "text;line 1: text before",
        "[root]/a {b|c;line 2: { without }",
        "[root]/a } b;line 2: } without {",
        "[root]/{gone};[gone] is missing",
        "[root]/a/[lost]/b;[lost] is never used",
        "[root]/a/[root]/b;line 3: rule [root] again",
        "[root]/{a}/[a]/{b|{root}};[root] leads back to itself",
        "[root]/{.core}/[x.core]/a;[y.core] is missing"
      })
  void faultsAreNamed(String source, String message) {
    DemoDataException thrown =
        assertThrows(DemoDataException.class, () -> parse(source.replace('/', '\n')));
    assertTrue(thrown.getMessage().contains(message), thrown.getMessage());
  }
}
