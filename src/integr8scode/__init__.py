"""The Integr8sCode backend, as far as its settings reach: `settings` declares every one of them."""
