package palimpsest.synth.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** GPT-2's merges by the definition, on words of ASCII letters: slow, for comparison only. */
final class MergeOracle {
  private final Map<String, Integer> ranks = new HashMap<>();

  MergeOracle(byte[] vocabBpe) {
    String[] lines = new String(vocabBpe, StandardCharsets.UTF_8).split("\n");
    for (int i = 1; i < lines.length; i++) {
      ranks.put(lines[i], i);
    }
  }

  List<String> split(String word) {
    List<String> parts = new ArrayList<>(List.of(word.split("")));
    while (true) {
      int best = -1;
      int bestRank = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        int rank = ranks.getOrDefault(parts.get(i) + " " + parts.get(i + 1), Integer.MAX_VALUE);
        if (rank < bestRank) {
          bestRank = rank;
          best = i;
        }
      }
      if (best < 0) {
        return parts;
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
  }
}
