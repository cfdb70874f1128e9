package palimpsest.synth.evaluate;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Looks for planted secrets in generated texts.
 *
 * @param secrets how many secrets were looked for
 * @param hits where they were found, by text, then by secret
 */
public record SecretScan(int secrets, List<Hit> hits) {

  /**
   * A secret found.
   *
   * @param secret index of the secret
   * @param text index of the text
   * @param exact true if it stands there to the letter; false if only its letters and digits do,
   *     with other case, spacing or signs
   */
  public record Hit(int secret, int text, boolean exact) {}

  /** Copies the hits. */
  public SecretScan {
    hits = List.copyOf(hits);
  }

  /**
   * Scans.
   *
   * @param secrets the secret strings, each with at least four letters or digits
   * @param texts the generated texts
   */
  public static SecretScan of(List<String> secrets, List<String> texts) {
    List<String> bare = secrets.stream().map(SecretScan::bare).toList();
    for (int i = 0; i < bare.size(); i++) {
      if (bare.get(i).length() < 4) {
        throw new IllegalArgumentException(
            "secret " + i + " has fewer than four letters or digits: it would be found by chance");
      }
    }
    List<Hit> hits = new ArrayList<>();
    for (int t = 0; t < texts.size(); t++) {
      String text = texts.get(t);
      String bareText = bare(text);
      for (int s = 0; s < secrets.size(); s++) {
        if (bareText.contains(bare.get(s))) {
          hits.add(new Hit(s, t, text.contains(secrets.get(s))));
        }
      }
    }
    return new SecretScan(secrets.size(), hits);
  }

  /** How many of the secrets came out at least once, in any spelling. */
  public Proportion leaked() {
    return new Proportion(hits.stream().mapToInt(Hit::secret).distinct().count(), secrets);
  }

  private static String bare(String text) {
    return Normalizer.normalize(text, Normalizer.Form.NFKC)
        .toLowerCase(Locale.ROOT)
        .replaceAll("[^\\p{L}\\p{N}]", "");
  }
}
