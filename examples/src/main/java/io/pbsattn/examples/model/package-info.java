/** What commands work on: models, found and loaded, and documents. */
package io.pbsattn.examples.model;
