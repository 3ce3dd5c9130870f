package io.pbsattn.zoo;

/**
 * The name that {@link io.pbsattn.zoo.djl.CausalLmBlockFactory} had, for the {@code
 * serving.properties} that have it.
 */
public final class CausalLmBlockFactory extends io.pbsattn.zoo.djl.CausalLmBlockFactory {

    private static final long serialVersionUID = 1L;

    /** Constructs the factory. */
    public CausalLmBlockFactory() {}
}
