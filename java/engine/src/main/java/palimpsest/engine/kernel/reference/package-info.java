/**
 * The float64 reference provider: plain loops over doubles, the only oracle of the other providers,
 * itself checked by finite differences.
 */
package palimpsest.engine.kernel.reference;
