package io.pbsattn.zoo;

/**
 * The name that {@link io.pbsattn.zoo.djl.CausalLmTranslatorFactory} had, for the {@code
 * serving.properties} that have it.
 */
public final class CausalLmTranslatorFactory extends io.pbsattn.zoo.djl.CausalLmTranslatorFactory {

    private static final long serialVersionUID = 1L;

    /** Constructs the factory. */
    public CausalLmTranslatorFactory() {}
}
