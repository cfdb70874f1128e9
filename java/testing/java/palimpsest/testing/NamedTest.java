package palimpsest.testing;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs one test method, with all of its parameters, in a process: the exit code tells what became
 * of it. A mutation run starts a hundred of these, where a build tool would take most of the time.
 */
public final class NamedTest {
  /** Exit codes: every case passed; one failed; none ran, or all were skipped. */
  public static final int PASSED = 0;

  public static final int FAILED = 10;
  public static final int NOT_RUN = 11;

  private NamedTest() {}

  /** Arguments: the class, with its package, and the method. */
  public static void main(String[] arguments) {
    String method = arguments[1];
    PostDiscoveryFilter named =
        test ->
            FilterResult.includedIf(
                test.getSource()
                    .filter(MethodSource.class::isInstance)
                    .map(source -> ((MethodSource) source).getMethodName().equals(method))
                    .orElse(true));
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClass(arguments[0]))
            .filters(named)
            .build();
    Count count = new Count();
    LauncherFactory.create().execute(request, count);
    System.exit(count.failed.get() > 0 ? FAILED : count.passed.get() > 0 ? PASSED : NOT_RUN);
  }

  /** A test class that fails before its tests counts as a failure, as in the reports. */
  private static final class Count implements TestExecutionListener {
    private final AtomicInteger passed = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      switch (result.getStatus()) {
        case SUCCESSFUL -> passed.addAndGet(test.isTest() ? 1 : 0);
        case FAILED -> {
          failed.incrementAndGet();
          result.getThrowable().ifPresent(Throwable::printStackTrace);
        }
        case ABORTED -> {}
      }
    }
  }
}
