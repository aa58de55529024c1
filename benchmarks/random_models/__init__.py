"""Random simulated models: does every fit end well, or say that it did not?"""
