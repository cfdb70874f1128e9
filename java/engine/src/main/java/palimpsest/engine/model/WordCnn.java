package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A convolutional network over words (Kim 2014): word vectors, F filters of each width over them,
 * the largest value of each filter above 0, and a linear layer on those. All of it is trained, from
 * random values; there is no dropout. The flat parameters hold the word vectors, then filters and
 * their biases width by width, then the linear layer.
 */
public final class WordCnn extends LabelModel {
  /** The widths of the paper's experiments, in words. */
  static final int[] WIDTHS = {3, 4, 5};

  /** Words that a text needs, so that every filter has a window in it. */
  public static final int LEAST_WORDS = 5;

  /** Word vectors start uniform within this of 0, as in the paper's own program. */
  private static final double SPREAD = 0.25;

  /**
   * The sizes.
   *
   * @param vocabulary V, words
   * @param embedding D, numbers a word
   * @param filters F, of each width
   * @param labels L
   */
  public record Shape(int vocabulary, int embedding, int filters, int labels) {
    private static final int MAX_VOCABULARY = 1 << 20;
    private static final int MAX_WIDTH = 1 << 12;

    /** Checks each. */
    public Shape {
      if (vocabulary < 1 || vocabulary > MAX_VOCABULARY) {
        throw new IllegalArgumentException(
            "a vocabulary has 1 to " + MAX_VOCABULARY + " words, not " + vocabulary);
      }
      if (embedding < 1 || embedding > MAX_WIDTH || filters < 1 || filters > MAX_WIDTH) {
        throw new IllegalArgumentException(
            "word vectors and filters are 1 to %d, not %d and %d"
                .formatted(MAX_WIDTH, embedding, filters));
      }
    }

    /** Numbers of the word vectors. */
    private long table() {
      return (long) vocabulary * embedding;
    }

    /** Numbers of the filters of a width, biases included. */
    private long filtersOf(int width) {
      return filters * ((long) width * embedding + 1);
    }

    /** Where the filters of the width of that index begin; behind the last, where all end. */
    private long offset(int index) {
      long offset = table();
      for (int i = 0; i < index; i++) {
        offset += filtersOf(WIDTHS[i]);
      }
      return offset;
    }
  }

  private final Shape shape;
  private final int maxPositions;

  private WordCnn(Kernels kernels, Shape shape, int maxPositions, TensorArena arena) {
    super(
        kernels,
        WIDTHS.length * shape.filters(),
        shape.labels(),
        shape.offset(WIDTHS.length),
        arena);
    this.shape = shape;
    this.maxPositions = maxPositions;
  }

  /**
   * A network, not yet given values.
   *
   * @param maxWords the longest text
   */
  public static WordCnn of(Kernels kernels, Shape shape, int maxWords) {
    TensorArena arena = new TensorArena();
    try {
      return new WordCnn(kernels, shape, maxWords, arena);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Filters start uniform within 1 / sqrt of what they read, biases at 0. */
  @Override
  public void initialize(RandomGenerator random) {
    fill(table(parameters()), SPREAD, random);
    for (int i = 0; i < WIDTHS.length; i++) {
      Tensor filter = filter(parameters(), i);
      fill(filter, 1 / Math.sqrt(filter.cols()), random);
      filterBias(parameters(), i).fill(0);
    }
    head().initialize(parameters());
    pack();
  }

  private static void fill(Tensor tensor, double spread, RandomGenerator random) {
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, random.nextDouble(-spread, spread));
    }
  }

  /** The kernels read all but the last layer where it lies. */
  @Override
  public void pack() {
    head().pack(parameters());
  }

  @Override
  public List<ParameterBlock> blocks() {
    List<ParameterBlock> blocks = new ArrayList<>();
    blocks.add(new ParameterBlock(0, shape.vocabulary(), shape.embedding(), true));
    for (int i = 0; i < WIDTHS.length; i++) {
      long window = (long) WIDTHS[i] * shape.embedding();
      long offset = shape.offset(i);
      blocks.add(new ParameterBlock(offset, shape.filters(), window, true));
      blocks.add(new ParameterBlock(offset + shape.filters() * window, 1, shape.filters(), false));
    }
    blocks.addAll(head().blocks());
    return blocks;
  }

  @Override
  public int maxPositions() {
    return maxPositions;
  }

  @Override
  public int vocabularySize() {
    return shape.vocabulary();
  }

  /** The word vectors [V, D], as a view of a flat tensor of P numbers. */
  public Tensor table(Tensor flat) {
    return flat.part(0, shape.vocabulary(), shape.embedding());
  }

  /** The filters of a width [F, w D], as a view of a flat tensor of P numbers. */
  public Tensor filter(Tensor flat, int index) {
    return flat.part(
        shape.offset(index), shape.filters(), (long) WIDTHS[index] * shape.embedding());
  }

  /** The biases of the filters of a width [F], as a view of a flat tensor of P numbers. */
  public Tensor filterBias(Tensor flat, int index) {
    long matrix = (long) shape.filters() * WIDTHS[index] * shape.embedding();
    return flat.part(shape.offset(index) + matrix, shape.filters());
  }

  /** The width of that index, in words. */
  public int width(int index) {
    return WIDTHS[index];
  }

  @Override
  public LabelPass pass(int maxRows, int maxExamples, boolean withBackward, TensorArena arena) {
    return new Pass(maxRows, maxExamples, withBackward, arena);
  }

  private final class Pass extends LabelPass {
    private final Tensor words;
    private final Tensor largest;
    private final Tensor places;
    private final Tensor dWords;

    Pass(int maxRows, int maxExamples, boolean withBackward, TensorArena arena) {
      super(kernels(), head(), maxExamples, arena);
      int values = WIDTHS.length * shape.filters();
      words = make(kernels().wide(), maxRows, shape.embedding());
      largest = make(kernels().wide(), maxExamples, values);
      places = arena.allocate(DType.I32, maxExamples, values);
      dWords = withBackward ? make(kernels().wide(), maxRows, shape.embedding()) : null;
    }

    /** The columns of a width. */
    private Tensor of(Tensor values, int index, TokenGroup group) {
      return values
          .rows(0, group.examples())
          .columns((long) index * shape.filters(), shape.filters());
    }

    @Override
    Tensor forward(TokenGroup group) {
      Tensor x = words.rows(0, group.rows());
      kernels()
          .embedding()
          .forward(group.ids(), group.positions(), table(parameters()), null, 1, x);
      for (int i = 0; i < WIDTHS.length; i++) {
        kernels()
            .convolution()
            .forward(
                x,
                group.spans(),
                filter(parameters(), i),
                filterBias(parameters(), i),
                WIDTHS[i],
                of(largest, i, group),
                of(places, i, group));
      }
      return largest.rows(0, group.examples());
    }

    @Override
    void backward(TokenGroup group, Tensor dVectors, ParameterGradients gradients) {
      Tensor x = words.rows(0, group.rows());
      Tensor dx = dWords.rows(0, group.rows());
      Spans spans = group.spans();
      dx.data().asSlice(0, dx.size() * dx.type().bytes()).fill((byte) 0);
      for (int i = 0; i < WIDTHS.length; i++) {
        Tensor at = of(places, i, group);
        Tensor dOut = of(dVectors, i, group);
        gradients.convolution(i, x, spans, at, dOut);
        kernels().convolution().backward(dOut, at, spans, filter(parameters(), i), WIDTHS[i], dx);
      }
      gradients.embedding(dx);
    }
  }
}
