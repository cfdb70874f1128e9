package palimpsest.synth.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.synth.evaluate.Exposure;

class DecoysTest {
  private static final Map<Secret.Kind, String> FORMATS =
      Map.of(
          Secret.Kind.ACCOUNT, "LQ-[0-9]{8}",
          Secret.Kind.PHONE, "[2-9][0-9]{2}-555-01[0-9]{2}",
          Secret.Kind.NAME, "[A-Z][a-z]+ [A-Z][a-z]+(-[A-Z][a-z]+)?");

  @Test
  void everySecretHasItsDecoysInItsFormat() {
    for (Secret secret : DemoData.load().secrets()) {
      List<String> decoys = Decoys.of(secret, 1000);
      assertEquals(1000, new HashSet<>(decoys).size());
      assertFalse(decoys.contains(secret.text()));
      String format = FORMATS.get(secret.kind());
      assertTrue(secret.text().matches(format), secret.text());
      decoys.forEach(decoy -> assertTrue(decoy.matches(format), decoy));
      assertEquals(decoys, Decoys.of(secret, 1000));
      assertEquals(decoys.subList(0, 10), Decoys.of(secret, 10));
    }
  }

  /** With 2,500 names, some of a name's plain decoys are planted elsewhere; in a case none is. */
  @Test
  void noDecoyOfACaseIsPlantedAnywhere() {
    List<Secret> secrets = DemoData.load().secrets();
    Set<String> planted = secrets.stream().map(Secret::text).collect(Collectors.toSet());
    assertTrue(
        secrets.stream().anyMatch(s -> Decoys.of(s, 1000).stream().anyMatch(planted::contains)));
    for (Exposure.Case one : Decoys.cases(secrets, 1000)) {
      assertEquals(1000, new HashSet<>(one.decoys()).size());
      assertTrue(one.decoys().stream().noneMatch(planted::contains));
    }
  }

  /** Were the decoys to hang on the secret's text, a rank among them could tell of it. */
  @Test
  void theDrawDoesNotHangOnTheText() {
    Secret one = new Secret(7, Secret.Kind.ACCOUNT, "c", "LQ-00000000");
    Secret other = new Secret(7, Secret.Kind.ACCOUNT, "c", "LQ-99999999");
    assertEquals(Decoys.of(one, 100), Decoys.of(other, 100));
    Secret elsewhere = new Secret(8, Secret.Kind.ACCOUNT, "c", "LQ-00000000");
    assertNotEquals(Decoys.of(one, 100), Decoys.of(elsewhere, 100));
  }

  /** Chi-square over the ten digits of each free position, at about one in a million. */
  @ParameterizedTest
  @EnumSource(
      value = Secret.Kind.class,
      names = {"ACCOUNT", "PHONE"})
  void digitsAreUniform(Secret.Kind kind) {
    List<String> decoys = Decoys.of(new Secret(1, kind, "", ""), 5000);
    int[] free =
        kind == Secret.Kind.ACCOUNT ? new int[] {3, 4, 5, 6, 7, 8, 9, 10} : new int[] {10, 11};
    for (int position : free) {
      Map<Character, Long> counts =
          decoys.stream()
              .collect(Collectors.groupingBy(d -> d.charAt(position), Collectors.counting()));
      assertEquals(10, counts.size());
      double chi = counts.values().stream().mapToDouble(c -> (c - 500.0) * (c - 500.0) / 500).sum();
      assertTrue(chi < 45, kind + " position " + position + " chi-square " + chi);
    }
  }

  @Test
  void theFormatsAreAsLargeAsTheySay() {
    assertEquals(2500, Decoys.formatSize(Secret.Kind.NAME));
    Secret secret =
        DemoData.load().secrets().stream()
            .filter(s -> s.kind() == Secret.Kind.NAME)
            .findFirst()
            .orElseThrow();
    assertEquals(2499, new HashSet<>(Decoys.of(secret, 2499)).size());
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> Decoys.of(secret, 2500));
    assertFalse(thrown.getMessage().contains(secret.text()));
  }

  /** A reader that learned by heart finds every secret; one that never saw them finds none. */
  @Test
  void aModelThatMemorisedTheDataExposesEverySecret() {
    DemoData data = DemoData.load();
    List<Exposure.Case> cases = Decoys.cases(data.secrets(), 1000);
    List<DemoData.Message> withSecrets = new ArrayList<>(data.heldOut());
    data.secrets().forEach(s -> withSecrets.add(data.messages().get(s.line() - 1)));
    Exposure memorised = Exposure.of(cases, new LongestRuns(withSecrets));
    assertEquals(Math.log(1001) / Math.log(2), memorised.mean(), 1e-9);
    assertTrue(memorised.combinedPValue() < 1e-40);
    Exposure stranger = Exposure.of(cases, new LongestRuns(data.heldOut()));
    assertTrue(stranger.combinedPValue() > 1e-3, "p " + stranger.combinedPValue());
    assertTrue(stranger.mean() < 2.5, "mean exposure " + stranger.mean());
  }

  /** Adds up how much of what stands before each character was never seen with it: 0 at best. */
  private static final class LongestRuns implements Exposure.Scorer {
    private static final int LONGEST = 12;
    private final Set<String> seen = new HashSet<>();

    LongestRuns(List<DemoData.Message> messages) {
      for (DemoData.Message message : messages) {
        for (int end = 1; end <= message.text().length(); end++) {
          for (int start = Math.max(0, end - LONGEST); start < end; start++) {
            seen.add(message.text().substring(start, end));
          }
        }
      }
    }

    @Override
    public double[] score(int secretIndex, String context, List<String> continuations) {
      return continuations.stream().mapToDouble(c -> score(context, c)).toArray();
    }

    private double score(String context, String continuation) {
      String text = context + continuation;
      int sum = 0;
      for (int end = context.length() + 1; end <= text.length(); end++) {
        int start = Math.max(0, end - LONGEST);
        while (start < end && !seen.contains(text.substring(start, end))) {
          start++;
        }
        sum += end - start - Math.min(end, LONGEST);
      }
      return sum;
    }
  }
}
