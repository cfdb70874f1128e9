package palimpsest.engine.generate;

import java.util.List;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.KeyValueCache;
import palimpsest.engine.model.StreamGroup;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** One worker's buffers for scoring; they grow with the texts and are kept between calls. */
final class ScoreWorker implements AutoCloseable {
  /** Rows read together: enough for the matrix products' peak rate. */
  static final int ROWS = 256;

  private static final int SLOTS = 64;

  /** How much memory the keys and values of a worker's slots may take. */
  private static final long CACHE_BYTES = 256L << 20;

  private final TunedDecoder model;
  private final Decoder decoder;
  private TensorArena buffers;
  private KeyValueCache cache;
  private StreamGroup group;
  private Activations activations;
  private Tensor targets;
  private Tensor nll;
  private Tensor lse;
  private int maxRows;

  /** What the slots begin with, and which of them have it already. */
  private Prefixes context;

  private boolean[] loaded;

  ScoreWorker(TunedDecoder model) {
    this.model = model;
    decoder = model.decoder();
  }

  /** How many slots there are for streams of so many tokens. */
  static int slots(Decoder decoder, int length) {
    DecoderConfig config = decoder.config();
    long token =
        2L * config.layers() * config.attention().keyWidth() * decoder.kernels().compute().bytes();
    return (int) Math.clamp(CACHE_BYTES / (token * length), 1, SLOTS);
  }

  /**
   * Makes room.
   *
   * @param length tokens of the longest stream
   * @param rows to be read together
   * @param slots streams that are read together
   */
  void prepare(int length, int rows, int slots) {
    if (buffers != null && cache.length() >= length && cache.slots() >= slots && maxRows >= rows) {
      return;
    }
    close();
    buffers = new TensorArena();
    maxRows = rows;
    Kernels kernels = decoder.kernels();
    cache = new KeyValueCache(decoder.config(), slots, length, kernels, buffers);
    group = new StreamGroup(cache, rows, slots, buffers);
    int headRows = Math.min(rows, Activations.HEAD_ROWS);
    activations =
        new Activations(
            decoder.config(),
            kernels,
            rows,
            headRows,
            model.rank(),
            Activations.Purpose.FORWARD,
            buffers);
    targets = buffers.allocate(DType.I32, headRows);
    nll = buffers.allocate(kernels.wide(), headRows);
    lse = buffers.allocate(kernels.wide(), headRows);
  }

  /** Turns to another context. */
  void begin(Prefixes context) {
    this.context = context;
    loaded = new boolean[cache.slots()];
  }

  /** Adds the log-probabilities of a tree's targets to the scores of their owners. */
  void score(ContinuationTree tree, double[] scores) {
    read(tree);
    List<ContinuationTree.Target> wanted = tree.targets();
    int[] rows = IntStream.range(0, tree.rows()).toArray();
    int done = 0;
    for (int first = 0; first < tree.rows(); first += Activations.HEAD_ROWS) {
      int count = Math.min(Activations.HEAD_ROWS, tree.rows() - first);
      Tensor logits = decoder.logits(rows, first, count, activations);
      Tensor sums = lse.reshape(count);
      decoder
          .kernels()
          .crossentropy()
          .forward(logits, targets.reshape(count), nll.reshape(count), sums);
      for (; done < wanted.size() && wanted.get(done).row() < first + count; done++) {
        ContinuationTree.Target target = wanted.get(done);
        int row = target.row() - first;
        scores[target.owner()] += logits.get(row, target.token()) - sums.get(row);
      }
    }
  }

  private void read(ContinuationTree tree) {
    group.clear();
    int start = context.length(0);
    for (int slot = 0; slot < tree.runs().size(); slot++) {
      if (!loaded[slot]) {
        context.load(0, cache, slot);
        loaded[slot] = true;
      }
      ContinuationTree.Run run = tree.runs().get(slot);
      for (int row : run.shared()) {
        group.share(row, slot);
      }
      group.add(slot, start + run.depth(), run.tokens(), 0, run.tokens().length);
    }
    decoder.decode(group, model.tuned(), activations);
  }

  @Override
  public void close() {
    if (buffers != null) {
      buffers.close();
      buffers = null;
    }
  }
}
