package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import palimpsest.engine.kernel.Attention;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * {@link Attention} on native/src/attention.cpp. Each calling thread keeps a workspace that grows
 * with its longest example.
 */
final class AttentionCpu implements Attention, AutoCloseable {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;
  private final MethodHandle workspaceSize;
  private final Map<Thread, Workspace> workspaces = new ConcurrentHashMap<>();

  private record Workspace(TensorArena arena, MemorySegment memory, long floats) {}

  AttentionCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "attention_forward",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_LONG,
                JAVA_FLOAT,
                JAVA_INT,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG));
    backward =
        cpu.bind(
            "attention_backward",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_LONG,
                JAVA_FLOAT,
                JAVA_INT,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG));
    workspaceSize =
        cpu.bind(
            "attention_workspace", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  @Override
  public void forward(
      Tensor q, Tensor k, Tensor v, Spans spans, Shape shape, Tensor out, Tensor lse) {
    cpu.requireCompute(q, k, v, out);
    cpu.requireWide(lse);
    long headSize = headSize(q, k, v, shape);
    cpu.requireSame("columns", q.cols(), out.cols());
    Workspace space = workspace(q, k, spans, headSize);
    Tensor where = spans.values();
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  q.data(),
                  q.stride(),
                  k.data(),
                  k.stride(),
                  v.data(),
                  v.stride(),
                  cpu.typeOf(q),
                  where.data(),
                  where.cols(),
                  spans.count(),
                  shape.heads(),
                  shape.kvHeads(),
                  headSize,
                  (float) shape.scale(),
                  shape.window(),
                  shape.causal() ? 1 : 0,
                  out.data(),
                  out.stride(),
                  Arguments.address(lse),
                  Arguments.stride(lse),
                  space.memory,
                  space.floats));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor dOut,
      Tensor lse,
      Spans spans,
      Shape shape,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    cpu.requireCompute(q, k, v, out);
    cpu.requireWide(dOut, lse);
    long headSize = headSize(q, k, v, shape);
    cpu.requireSame("columns", q.cols(), out.cols(), dOut.cols(), dq.cols());
    cpu.requireSame("columns", k.cols(), dk.cols(), dv.cols());
    cpu.requireSame("rows", q.rows(), dOut.rows(), lse.rows(), dq.rows(), dk.rows(), dv.rows());
    cpu.requireType(dq.type(), dk, dv);
    Workspace space = workspace(q, k, spans, headSize);
    Tensor where = spans.values();
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  q.data(),
                  q.stride(),
                  k.data(),
                  k.stride(),
                  v.data(),
                  v.stride(),
                  out.data(),
                  out.stride(),
                  cpu.typeOf(q),
                  dOut.data(),
                  dOut.stride(),
                  lse.data(),
                  lse.stride(),
                  where.data(),
                  where.cols(),
                  spans.count(),
                  shape.heads(),
                  shape.kvHeads(),
                  headSize,
                  (float) shape.scale(),
                  shape.window(),
                  shape.causal() ? 1 : 0,
                  dq.data(),
                  dq.stride(),
                  dk.data(),
                  dk.stride(),
                  dv.data(),
                  dv.stride(),
                  cpu.typeOf(dq),
                  space.memory,
                  space.floats));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  private long headSize(Tensor q, Tensor k, Tensor v, Shape shape) {
    long headSize = q.cols() / shape.heads();
    cpu.requireSame("query columns", q.cols(), headSize * shape.heads());
    cpu.requireSame("key columns", k.cols(), v.cols(), headSize * shape.kvHeads());
    return headSize;
  }

  private Workspace workspace(Tensor q, Tensor k, Spans spans, long headSize)
      throws IllegalArgumentException {
    cpu.requireType(DType.I32, spans.values());
    long longest = 0;
    for (int b = 0; b < spans.count(); b++) {
      cpu.requireRange(spans.queryStart(b), spans.queryStart(b) + spans.queryCount(b), q.rows());
      cpu.requireRange(spans.keyStart(b), spans.keyStart(b) + spans.keyCount(b), k.rows());
      longest = Math.max(longest, spans.keyCount(b));
    }
    long floats = workspaceFloats(longest, headSize);
    Workspace held = workspaces.get(Thread.currentThread());
    if (held == null || held.floats < floats) {
      if (held != null) {
        workspaces.remove(Thread.currentThread());
        held.arena.close();
      }
      TensorArena arena = new TensorArena();
      held = new Workspace(arena, arena.allocate(DType.F32, floats).data(), floats);
      workspaces.put(Thread.currentThread(), held);
    }
    return held;
  }

  private long workspaceFloats(long keys, long headSize) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment floats = GuardedMemory.allocate(arena, Long.BYTES, Long.BYTES);
      cpu.check((int) workspaceSize.invokeExact(keys, headSize, floats));
      return floats.get(JAVA_LONG, 0);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void close() {
    workspaces.values().forEach(space -> space.arena.close());
    workspaces.clear();
  }
}
