package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.MemoryPlan;
import palimpsest.synth.OptimizerSpec;
import palimpsest.synth.RunPlan;
import palimpsest.synth.RunSettings;

/** What a private run would cost, before it is made. */
record PlanText(RunPlan plan, ExecutionSpec execution, MemoryPlan memory) {
  static PlanText of(Path model, RunSettings settings, ExecutionSpec execution) {
    try (ModelFolder folder = ModelFolder.open(model)) {
      RunPlan plan = RunPlan.of(settings, folder.config());
      return new PlanText(
          plan,
          execution.forLength(plan.longestSequence()),
          MemoryPlan.of(plan, MemoryPlan.Base.of(folder), execution));
    }
  }

  Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("epsilon", plan.epsilon().upper());
    fields.put("delta", plan.mechanism().delta());
    fields.put("noiseMultiplier", plan.mechanism().noiseMultiplier());
    fields.put("expectedBatch", plan.mechanism().expectedBatch());
    fields.put("samplingRate", plan.mechanism().samplingRate());
    plan.labelNoise().ifPresent(noise -> fields.put("labelNoise", noise));
    fields.put("steps", plan.mechanism().steps());
    fields.put("clipNorm", plan.mechanism().clipNorm());
    fields.put("clipRule", plan.mechanism().clipRule().id());
    fields.put("sumNoiseMultiplier", plan.mechanism().sumNoiseMultiplier());
    fields.put("method", method().id());
    if (method() instanceof TuningMethod.Lora lora) {
      fields.put("rank", lora.rank());
    }
    if (method() instanceof TuningMethod.Prompt prompt) {
      fields.put("promptTokens", prompt.tokens());
    }
    if (method() instanceof TuningMethod.Full full) {
      fields.put("norms", full.norms().id());
      fields.put("trained", full.trained().words());
    }
    fields.put("parameters", plan.parameters());
    fields.put("optimizer", optimizer().kind().id());
    fields.put("learningRate", optimizer().learningRate());
    fields.put("schedule", optimizer().schedule().id());
    fields.put("warmup", optimizer().warmup());
    fields.put("momentum", optimizer().momentum());
    fields.put("weightDecay", optimizer().settings().weightDecay());
    fields.put("maxTokens", plan.maxTokens());
    fields.put("expectedTokens", plan.tokens());
    fields.put("nominalMinutes", plan.seconds() / 60);
    fields.put("memoryBytes", memory.bytes());
    fields.put("recompute", execution.recompute());
    fields.put("workers", execution.workers());
    fields.put("groupTokens", execution.groupRows());
    fields.put("groupRecords", execution.groupExamples());
    fields.put("streams", execution.streams());
    return fields;
  }

  String text() {
    StringBuilder text =
        new StringBuilder("Nothing was trained and nothing paid. The run would be:\n");
    row(text, "epsilon", Numbers.upper(plan.epsilon().upper()) + " at delta " + delta());
    row(text, "noise", noise());
    plan.labelNoise()
        .ifPresent(noise -> row(text, "labels", "counts with noise of " + noise + " records"));
    row(
        text,
        "steps",
        "%d of %d records each, on average"
            .formatted(plan.mechanism().steps(), plan.mechanism().expectedBatch()));
    row(text, "clip norm", Double.toString(plan.mechanism().clipNorm()));
    row(text, "clip rule", plan.mechanism().clipRule().words());
    row(
        text,
        "tuning",
        String.format(
            Locale.ROOT,
            "%s, %,d parameters, %s at learning rate %s",
            tuned(),
            plan.parameters(),
            optimizer().kind().id(),
            optimizer().learningRate()));
    row(
        text,
        "time",
        String.format(
            Locale.ROOT,
            "about %.0f min of training on two ordinary cores (%,d tokens)",
            Math.ceil(plan.seconds() / 60),
            plan.tokens()));
    row(
        text,
        "memory",
        String.format(
            Locale.ROOT,
            "about %.1f GB%s: %d threads, each %d tokens of at most %d records at a time",
            memory.bytes() / 1e9,
            execution.recompute() ? ", activations computed again" : "",
            execution.workers(),
            execution.groupRows(),
            execution.groupExamples()));
    return text.toString();
  }

  private TuningMethod method() {
    return plan.tuning().method();
  }

  private OptimizerSpec optimizer() {
    return plan.tuning().optimizer();
  }

  private String tuned() {
    return switch (method()) {
      case TuningMethod.Lora lora -> "adapters of rank " + lora.rank();
      case TuningMethod.Prompt prompt -> "a soft prompt of %d tokens".formatted(prompt.tokens());
      case TuningMethod.Bias _ -> "bias vectors";
      case TuningMethod.Full full ->
          "%s, %s norms"
              .formatted(
                  full.trained().isAll()
                      ? "all weights"
                      : "weights named " + String.join(",", full.trained().patterns()),
                  full.norms().id());
    };
  }

  private String delta() {
    return Numbers.upper(plan.mechanism().delta());
  }

  private String noise() {
    return plan.mechanism().nonPrivate()
        ? "none: NOT PRIVATE"
        : Numbers.upper(plan.mechanism().sumNoiseMultiplier()) + " clip norms";
  }

  private static void row(StringBuilder text, String what, String value) {
    text.append("  %-10s %s%n".formatted(what, value));
  }
}
