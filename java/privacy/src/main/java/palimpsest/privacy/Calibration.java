package palimpsest.privacy;
final public class Calibration { public static MechanismSpec calibrate(MechanismSpec s, double eps){ throw new UnsupportedOperationException(); } }
