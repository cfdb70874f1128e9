package palimpsest.synth;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;
import palimpsest.engine.generate.GenerationSettings;
import palimpsest.engine.generate.Generator;
import palimpsest.engine.generate.Request;
import palimpsest.engine.generate.Result;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.Template;

/**
 * Synthetic records from a released model: post-processing, whatever is done here. Labels are
 * uniform over the public list, or as its weights say; texts that do not have the form of a record,
 * or that the model itself would file under another label, are drawn again.
 */
final class Sampling {
  /**
   * A label is given up after so many attempts a wanted record: a model that cannot write it should
   * not stop the rest.
   */
  private static final int ATTEMPTS = 8;

  /** Random numbers of the row order, beside those of the texts. */
  private static final int ORDER_STREAM = -1;

  private final TunedDecoder model;
  private final Template template;
  private final SamplingSettings settings;
  private final ExecutionSpec execution;
  private final int maxTokens;
  private final Uniforms uniforms;
  private final int labels;

  /**
   * @param maxTokens prompt, text and end token together
   * @param key of the texts' random numbers and the row order
   */
  Sampling(
      TunedDecoder model,
      Template template,
      SamplingSettings settings,
      ExecutionSpec execution,
      int maxTokens,
      SecretKey key) {
    this.model = model;
    this.template = template;
    this.settings = settings;
    this.execution = execution;
    this.maxTokens = maxTokens;
    uniforms = new Uniforms(key, Purpose.GENERATION);
    labels = template.labels().size();
  }

  /**
   * Samples the records, in random order; fewer than were asked for if the model cannot write
   * enough that pass.
   *
   * @param progress told how many records are done
   */
  List<SyntheticRecord> run(LongConsumer progress) {
    List<SyntheticRecord> kept = new ArrayList<>();
    int[] wanted = shares();
    int[] limits = Arrays.stream(wanted).map(count -> ATTEMPTS * (count + 1)).toArray();
    int[] attempts = new int[labels];
    int index = 0;
    try (Generator generator = new Generator(model, prefixes(), generation());
        Scorer scorer = new Scorer(model, execution.workers())) {
      while (true) {
        List<Integer> round = round(wanted, attempts, limits);
        if (round.isEmpty()) {
          return shuffled(kept);
        }
        for (SyntheticRecord record : judged(scorer, generate(generator, round, index))) {
          if (wanted[record.label()] > 0) {
            wanted[record.label()]--;
            kept.add(record);
          }
        }
        index += round.size();
        progress.accept(kept.size());
      }
    }
  }

  /**
   * How many records each label gets: its share by weight, rounded so that all add up (largest
   * remainders first, of equals the earlier label).
   */
  private int[] shares() {
    double total = 0;
    for (int label = 0; label < labels; label++) {
      total += template.labels().weight(label);
    }
    int[] shares = new int[labels];
    double[] remainders = new double[labels];
    int left = settings.records();
    for (int label = 0; label < labels; label++) {
      double exact = settings.records() * template.labels().weight(label) / total;
      shares[label] = (int) exact;
      remainders[label] = exact - shares[label];
      left -= shares[label];
    }
    for (; left > 0; left--) {
      int largest = 0;
      for (int label = 1; label < labels; label++) {
        largest = remainders[label] > remainders[largest] ? label : largest;
      }
      shares[largest]++;
      remainders[largest] = -1;
    }
    return shares;
  }

  /**
   * The labels of the next round's texts: what is missing, and a fifth more once texts have been
   * refused.
   */
  private List<Integer> round(int[] wanted, int[] attempts, int[] limits) {
    List<Integer> round = new ArrayList<>();
    for (int label = 0; label < labels; label++) {
      int limit = limits[label] - attempts[label];
      int tries =
          wanted[label] == 0
              ? 0
              : attempts[label] == 0 ? wanted[label] : wanted[label] + wanted[label] / 5 + 1;
      for (int i = 0; i < Math.min(tries, limit); i++) {
        round.add(label);
        attempts[label]++;
      }
    }
    return round;
  }

  /** Every label's prompt, then every label's generic prompt. */
  private int[][] prefixes() {
    int[][] prefixes = new int[2 * labels][];
    for (int label = 0; label < labels; label++) {
      prefixes[label] = template.prefix(label);
      prefixes[labels + label] = template.genericPrefix(label);
    }
    return prefixes;
  }

  private GenerationSettings generation() {
    int longest = 0;
    for (int[] prefix : prefixes()) {
      longest = Math.max(longest, prefix.length);
    }
    return new GenerationSettings(
        execution.streams(),
        maxTokens - longest,
        settings.temperature(),
        settings.topK(),
        settings.topP(),
        settings.guidance(),
        Set.of(template.endToken()),
        execution.workers());
  }

  /** A well-formed text with its tokens. */
  private record Draft(SyntheticRecord record, int[] tokens) {}

  private List<Draft> generate(Generator generator, List<Integer> round, int firstIndex) {
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < round.size(); i++) {
      requests.add(new Request(firstIndex + i, round.get(i), labels + round.get(i)));
    }
    Result[] results = new Result[round.size()];
    generator.generate(requests, uniforms, result -> results[result.index() - firstIndex] = result);
    List<Draft> drafts = new ArrayList<>();
    for (int i = 0; i < results.length; i++) {
      if (results[i].ended()) {
        Template.Generated text =
            template.read(withEnd(results[i].tokens()), settings.minCharacters());
        if (text.fault().isEmpty()) {
          drafts.add(
              new Draft(new SyntheticRecord(round.get(i), text.text()), results[i].tokens()));
        }
      }
    }
    return drafts;
  }

  private int[] withEnd(int[] tokens) {
    int[] ended = Arrays.copyOf(tokens, tokens.length + 1);
    ended[tokens.length] = template.endToken();
    return ended;
  }

  /**
   * Those whose own label the model finds the likeliest: log p(text | label's prompt) is the
   * largest.
   */
  private List<SyntheticRecord> judged(Scorer scorer, List<Draft> drafts) {
    List<SyntheticRecord> kept = new ArrayList<>();
    double[][] scores = null;
    if (settings.judge() && labels > 1) {
      int[][] prompts = Arrays.copyOf(prefixes(), labels);
      scores =
          scorer.score(drafts.stream().map(draft -> withEnd(draft.tokens())).toList(), prompts);
    }
    for (int i = 0; i < drafts.size(); i++) {
      SyntheticRecord record = drafts.get(i).record();
      if (scores == null || likeliest(scores[i]) == record.label()) {
        kept.add(record);
      }
    }
    return kept;
  }

  private static int likeliest(double[] scores) {
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      best = scores[i] > scores[best] ? i : best;
    }
    return best;
  }

  /** Fisher and Yates, so that the order of the rows tells nothing. */
  private List<SyntheticRecord> shuffled(List<SyntheticRecord> records) {
    for (int i = records.size() - 1; i > 0; i--) {
      int j = uniforms.at(ORDER_STREAM, i, i + 1);
      Collections.swap(records, i, j);
    }
    return records;
  }
}
