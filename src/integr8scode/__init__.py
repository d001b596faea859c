"""The example application: the Integr8sCode backend. `settings` declares all of its settings."""
