package palimpsest.synth.demo;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import palimpsest.synth.SplitMix64;
import palimpsest.synth.evaluate.Exposure;

/**
 * Strings of the same format as a secret that were never planted. Where a secret ranks among its
 * decoys under a model is its exposure (Carlini et al., "The Secret Sharer", USENIX Security 2019,
 * section 4.3: the randomness space here is {@link #formatSize}, sampled without replacement).
 */
public final class Decoys {
  private static final long SEED = 0x6465636F7973L;

  private static final List<String> GIVEN_NAMES =
      List.of(
          ("Talwin Oreska Brevik Jessamy Corvan Ilsabet Marrick Thessaly Ondrel Wilmot Sarabeth"
                  + " Kestrin Alvaro Benedikta Ferdy Hollis Zennor Perrin Lorcan Mirabel Quillon"
                  + " Rosalba Stellan Ulrika Vesper Yestin Ambrose Calista Dorian Elowen Fabrizio"
                  + " Gideon Hespera Isolde Jocasta Kasimir Leocadia Magnus Nerissa Octavian"
                  + " Philippa Radomir Severin Tamsin Ursula Valerian Wendelin Xanthe Ysolde"
                  + " Zacharias")
              .split(" "));

  private static final List<String> FAMILY_NAMES =
      List.of(
          ("Vandermoor Ashgrove Brindlecombe Castleroy Dunwhistle Elderkamp Farthingale"
                  + " Grimsholm Hollowell Ironbeck Jasperson Kettleby Lindqvast Marchbank"
                  + " Netherby Oakenshaw Pemberlow Quarrington Ravensdal Silverthorn Tanglewick"
                  + " Underhay Vexford Wolkenstein Yarbrook Zandvoorde Abernoth Blackmere"
                  + " Copperfeld Drakenburg Estermann Fennimoor Goldacker Hawkesley Islington-Rey"
                  + " Juniper-Holt Kirchbaum Lockridge Mossgrave Nightingall Ostrowick Plumtree"
                  + " Rookwood Stonebraker Thistlewood Umberland Valdemarsson Winterbourn"
                  + " Yellowley Zimmerlund")
              .split(" "));

  private Decoys() {}

  /**
   * Draws decoys for a secret, the same for every call: distinct, and none equal to the secret. The
   * draw hangs on the secret's line and kind; its text only strikes itself out.
   *
   * @param count how many, less than {@link #formatSize} of the kind
   */
  public static List<String> of(Secret secret, int count) {
    return of(secret, Set.of(secret.text()), count);
  }

  /**
   * The secrets with their decoys, ready to be scored: case i is secret i. No decoy equals any of
   * the secrets: one planted elsewhere would outrank what was never planted.
   */
  public static List<Exposure.Case> cases(List<Secret> secrets, int count) {
    Set<String> planted = secrets.stream().map(Secret::text).collect(Collectors.toSet());
    return secrets.stream()
        .map(s -> new Exposure.Case(s.context(), s.text(), of(s, planted, count)))
        .toList();
  }

  private static List<String> of(Secret secret, Set<String> planted, int count) {
    int most = formatSize(secret.kind()) - planted.size();
    if (count < 1 || count > most) {
      throw new IllegalArgumentException(
          "decoys of kind " + secret.kind() + ": 1 to " + most + " can be drawn, not " + count);
    }
    SplitMix64 random = new SplitMix64(SEED ^ SplitMix64.mix(secret.line()));
    Set<String> decoys = new LinkedHashSet<>();
    while (decoys.size() < count) {
      String drawn = draw(secret.kind(), random);
      if (!planted.contains(drawn)) {
        decoys.add(drawn);
      }
    }
    return new ArrayList<>(decoys);
  }

  /** How many strings a format has. */
  public static int formatSize(Secret.Kind kind) {
    return switch (kind) {
      case ACCOUNT -> 100_000_000;
      case PHONE -> 800 * 100;
      case NAME -> GIVEN_NAMES.size() * FAMILY_NAMES.size();
    };
  }

  /** Draws one string of the format, each as likely as another. */
  static String draw(Secret.Kind kind, SplitMix64 random) {
    return switch (kind) {
      case ACCOUNT -> "LQ-" + digits(random.nextInt(100_000_000), 8);
      case PHONE -> (200 + random.nextInt(800)) + "-555-01" + digits(random.nextInt(100), 2);
      case NAME -> random.pick(GIVEN_NAMES) + " " + random.pick(FAMILY_NAMES);
    };
  }

  private static String digits(int value, int width) {
    String plain = Integer.toString(value);
    return "0".repeat(width - plain.length()) + plain;
  }
}
