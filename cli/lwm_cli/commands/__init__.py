"""The commands' arguments and options. What a command does is imported when it runs, so that help needs neither JAX nor the operator."""
