/** The language that chat templates are written in: Jinja2, as transformers sets it up. */
package io.pbsattn.zoo.jinja;
