// environments
