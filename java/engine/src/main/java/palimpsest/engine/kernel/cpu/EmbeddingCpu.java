package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.address;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;
import static palimpsest.engine.kernel.cpu.Arguments.requirePresence;
import static palimpsest.engine.kernel.cpu.Arguments.stride;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Embedding;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;

/** {@link Embedding} on native/src/embedding.cpp. */
final class EmbeddingCpu implements Embedding {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle exampleGrad;
  private final MethodHandle exampleNorm;
  private final MethodHandle accumulate;

  EmbeddingCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "embedding_forward",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_LONG));
    exampleNorm =
        cpu.bind(
            "embedding_example_norm",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS));
    accumulate =
        cpu.bind(
            "embedding_accumulate",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                ADDRESS,
                JAVA_INT,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS));
    exampleGrad =
        cpu.bind(
            "embedding_example_grad",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG));
  }

  @Override
  public void forward(
      Tensor ids, Tensor positions, Tensor table, Tensor positionTable, double scale, Tensor out) {
    cpu.requireType(DType.I32, ids, positions);
    cpu.requireType(table.type(), positionTable);
    cpu.requireWide(out);
    checkIndices(ids, positions, out, positionTable);
    checkTables(out, table, positionTable);
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  ids.data(),
                  address(positions),
                  out.rows(),
                  out.cols(),
                  table.data(),
                  table.stride(),
                  table.rows(),
                  address(positionTable),
                  stride(positionTable),
                  rowsOf(positionTable),
                  cpu.typeOf(table),
                  (float) scale,
                  out.data(),
                  out.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(
      Tensor ids,
      Tensor positions,
      Tensor dOut,
      long from,
      long to,
      double scale,
      Tensor dTable,
      Tensor dPositions) {
    cpu.requireType(DType.I32, ids, positions);
    cpu.requireWide(dOut, dTable, dPositions);
    cpu.requireRange(from, to, dOut.rows());
    checkIndices(ids, positions, dOut, dPositions);
    checkTables(dOut, dTable, dPositions);
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  ids.data(),
                  address(positions),
                  dOut.data(),
                  dOut.stride(),
                  from,
                  to,
                  dOut.cols(),
                  (float) scale,
                  dTable.data(),
                  dTable.stride(),
                  dTable.rows(),
                  address(dPositions),
                  stride(dPositions),
                  rowsOf(dPositions)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public double exampleNorm(
      EmbeddingRows rows,
      int example,
      Tensor left,
      Tensor right,
      long from,
      long to,
      long vocabulary) {
    Arguments.requireRows(cpu, rows, example, example + 1, rows.values().cols());
    long first = rows.starts().getLong(example);
    int count = (int) (rows.starts().getLong(example + 1) - first);
    if (left != null) {
      cpu.requireCompute(left, right);
      cpu.requireRange(from, to, Math.min(left.rows(), right.rows()));
      cpu.requireSame("vocabulary", vocabulary, left.cols());
      cpu.requireSame("columns", rows.values().cols(), right.cols());
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment norm = GuardedMemory.allocate(arena, Double.BYTES, Double.BYTES);
      cpu.check(
          (int)
              exampleNorm.invokeExact(
                  rows.ids().data().asSlice(first * Integer.BYTES),
                  rows.rows().data().asSlice(first * Integer.BYTES),
                  count,
                  rows.values().data(),
                  rows.values().stride(),
                  rows.values().cols(),
                  (float) rows.scale(),
                  address(left),
                  stride(left),
                  address(right),
                  stride(right),
                  left == null ? 0 : cpu.typeOf(left),
                  vocabulary,
                  from,
                  to,
                  norm));
      return norm.get(JAVA_DOUBLE, 0);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void accumulate(EmbeddingRows rows, ClippedExamples examples, Tensor sums) {
    Arguments.requireRows(cpu, rows, 0, examples.count(), sums.cols());
    cpu.requireType(DType.I32, sums);
    cpu.requireWide(examples.factors());
    try {
      cpu.check(
          (int)
              accumulate.invokeExact(
                  rows.starts().data(),
                  rows.ids().data(),
                  rows.rows().data(),
                  examples.count(),
                  rows.values().data(),
                  rows.values().stride(),
                  rows.values().cols(),
                  (float) rows.scale(),
                  examples.factors().data(),
                  examples.ratios().data(),
                  examples.bits(),
                  sums.rows(),
                  sums.data(),
                  sums.stride(),
                  examples.totals().data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  private void checkIndices(Tensor ids, Tensor positions, Tensor rows, Tensor positionTable) {
    requireContiguous(ids, positions);
    cpu.requireSame("rows", rows.rows(), ids.size());
    if (positionTable != null) {
      requirePresence("positions", true, positions);
      cpu.requireSame("rows", rows.rows(), positions.size());
    }
  }

  private void checkTables(Tensor rows, Tensor table, Tensor positionTable) {
    cpu.requireSame("columns", rows.cols(), table.cols());
    if (positionTable != null) {
      cpu.requireSame("columns", rows.cols(), positionTable.cols());
    }
  }

  private static long rowsOf(Tensor table) {
    return table == null ? 0 : table.rows();
  }
}
