package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Adafactor (Shazeer and Stern 2018, algorithm 4, with the caller's rate instead of a relative
 * one). Of the second moment of a matrix it keeps the means R of its rows and C of its columns, and
 * takes R C / mean(R) for it. For a vector, as a matrix of one row, that is C itself: the second
 * moment as it is.
 *
 * <p>It reads the sum three times: for R and C, for the root mean square that the update would
 * have, and for the update. Matrices are cut into tiles of rows, by their shape alone. A tile has
 * sums of its own, and these are added up in the order of the tiles, so that no bit depends on who
 * takes which.
 */
final class FactoredState extends OptimizerState {
  /** Numbers of a tile, if a row has no more. */
  private static final long TILE = 1 << 17;

  /**
   * A matrix, and where its sums lie.
   *
   * @param number among all matrices
   * @param row of its first row among all rows
   * @param col of its first column among all columns
   * @param partial of its first tile among the columns of all tiles
   */
  private record Place(int number, ParameterBlock block, long row, long col, long partial) {
    long tileRows() {
      return Math.clamp(TILE / block.cols(), 1, block.rows());
    }

    long tiles() {
      return (block.rows() + tileRows() - 1) / tileRows();
    }
  }

  /** A matrix's rows [first, first + rows), and where the sums of its columns over them lie. */
  private record Tile(Place place, long first, long rows, long partial) {
    Tensor of(Tensor all) {
      long cols = place.block.cols();
      return all == null ? null : all.part(place.block.offset() + first * cols, rows, cols);
    }

    Tensor ofRows(Tensor all) {
      return all.part(place.row + first, rows);
    }

    Tensor ofCols(Tensor all) {
      return all.part(place.col, place.block.cols());
    }
  }

  /** Rows and columns of all matrices so far, and columns of all tiles. */
  private static final class Counts {
    private long rows;
    private long cols;
    private long partial;

    private Place add(int number, ParameterBlock block) {
      Place place = new Place(number, block, rows, cols, partial);
      rows += block.rows();
      cols += block.cols();
      partial += place.tiles() * block.cols();
      return place;
    }
  }

  private final Optimizer optimizer;
  private final List<Place> places = new ArrayList<>();
  private final List<Tile> tiles = new ArrayList<>();

  /** Wide: R and C of all matrices, one behind the other. */
  private final Tensor rowMeans;

  private final Tensor colMeans;

  /** Wide [P], or null without a first moment. */
  private final Tensor first;

  /** Wide, as R and C: what an element of the gradient is multiplied with. */
  private final Tensor rowFactors;

  private final Tensor colFactors;

  /** F64, as R: sums over each row. */
  private final Tensor rowSums;

  /** F64: sums over each column of each tile. */
  private final Tensor colSums;

  /** Of each matrix: what its update is scaled by. */
  private final double[] clips;

  /** As {@link OptimizerState#of}. */
  FactoredState(
      Optimizer.Adafactor settings,
      List<ParameterBlock> blocks,
      Kernels kernels,
      TensorArena arena) {
    super(blocks);
    optimizer = kernels.optimizer();
    Counts counts = new Counts();
    for (ParameterBlock block : blocks) {
      Place place = counts.add(places.size(), block);
      places.add(place);
      for (long tile = 0; tile < place.tiles(); tile++) {
        long at = tile * place.tileRows();
        long count = Math.min(place.tileRows(), block.rows() - at);
        tiles.add(new Tile(place, at, count, place.partial + tile * block.cols()));
      }
    }
    rowMeans = arena.allocate(kernels.wide(), counts.rows);
    colMeans = arena.allocate(kernels.wide(), counts.cols);
    rowFactors = arena.allocate(kernels.wide(), counts.rows);
    colFactors = arena.allocate(kernels.wide(), counts.cols);
    rowSums = arena.allocate(DType.F64, counts.rows);
    colSums = arena.allocate(DType.F64, counts.partial);
    first = settings.beta1() == 0 ? null : arena.allocate(kernels.wide(), size(blocks));
    clips = new double[places.size()];
  }

  /** As {@link OptimizerState#bytes}. */
  static long bytes(Optimizer.Adafactor settings, List<ParameterBlock> blocks, Kernels kernels) {
    Counts counts = new Counts();
    blocks.forEach(block -> counts.add(0, block));
    long wide = 2 * (counts.rows + counts.cols) + (settings.beta1() == 0 ? 0 : size(blocks));
    return kernels.wide().bytes() * wide + DType.F64.bytes() * (counts.rows + counts.partial);
  }

  @Override
  void putTensors(SequencedMap<String, Tensor> tensors) {
    tensors.put("row_means", rowMeans);
    tensors.put("column_means", colMeans);
    if (first != null) {
      tensors.put("first_moment", first);
    }
  }

  /** Nothing yet: what becomes of an element depends on all of its row and column. */
  @Override
  public void update(
      Tensor sums,
      long from,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters) {}

  @Override
  public void end(
      Workers workers,
      Tensor sums,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters) {
    if (!(settings instanceof Optimizer.Adafactor adafactor)) {
      throw new IllegalArgumentException("this is another optimizer's state");
    }
    rowSums.data().fill((byte) 0);
    colSums.data().fill((byte) 0);
    workers.overPieces(
        tiles.size(), 1, (tile, _) -> addSquares(tiles.get((int) tile), sums, scale));
    workers.overPieces(places.size(), 1, (place, _) -> move((int) place, adafactor, step));
    rowSums.data().fill((byte) 0);
    workers.overPieces(
        tiles.size(), 1, (tile, _) -> addUpdateSquares(tiles.get((int) tile), sums, scale));
    workers.overPieces(places.size(), 1, (place, _) -> clip((int) place, adafactor));
    workers.overPieces(
        tiles.size(),
        1,
        (tile, _) -> update(tiles.get((int) tile), sums, scale, adafactor, parameters));
  }

  private void addSquares(Tile tile, Tensor sums, double scale) {
    optimizer.factoredAccumulate(
        tile.of(sums),
        scale,
        null,
        null,
        tile.ofRows(rowSums),
        colSums.part(tile.partial, tile.place.block.cols()));
  }

  private void addUpdateSquares(Tile tile, Tensor sums, double scale) {
    optimizer.factoredAccumulate(
        tile.of(sums),
        scale,
        tile.ofRows(rowFactors),
        tile.ofCols(colFactors),
        tile.ofRows(rowSums),
        null);
  }

  /** Moves a matrix's means towards those of this step, and makes its factors of them. */
  private void move(int number, Optimizer.Adafactor settings, long step) {
    Place place = places.get(number);
    ParameterBlock block = place.block;
    double kept = 1 - StrictMath.pow(step, -settings.decay());
    double total = 0;
    for (long row = place.row; row < place.row + block.rows(); row++) {
      double now = rowSums.get(row) / block.cols() + settings.epsilon();
      rowMeans.set(row, kept * rowMeans.get(row) + (1 - kept) * now);
      total += rowMeans.get(row);
    }
    double mean = total / block.rows();
    for (long row = place.row; row < place.row + block.rows(); row++) {
      rowFactors.set(row, 1 / Math.sqrt(rowMeans.get(row) / mean));
    }
    for (long col = 0; col < block.cols(); col++) {
      double sum = 0;
      for (long tile = 0; tile < place.tiles(); tile++) {
        sum += colSums.get(place.partial + tile * block.cols() + col);
      }
      double now = sum / block.rows() + settings.epsilon();
      colMeans.set(place.col + col, kept * colMeans.get(place.col + col) + (1 - kept) * now);
      colFactors.set(place.col + col, 1 / Math.sqrt(colMeans.get(place.col + col)));
    }
  }

  /** Scales a matrix's update down to the threshold, if its root mean square is above it. */
  private void clip(int number, Optimizer.Adafactor settings) {
    Place place = places.get(number);
    double sum = 0;
    for (long row = place.row; row < place.row + place.block.rows(); row++) {
      sum += rowSums.get(row);
    }
    double rms = Math.sqrt(sum / place.block.size());
    clips[number] = 1 / Math.max(1, rms / settings.threshold());
  }

  private void update(
      Tile tile, Tensor sums, double scale, Optimizer.Adafactor settings, Tensor parameters) {
    optimizer.factoredUpdate(
        tile.of(sums),
        scale,
        settings,
        tile.ofRows(rowFactors),
        tile.ofCols(colFactors),
        clips[tile.place.number],
        tile.of(parameters),
        tile.of(first));
  }
}
