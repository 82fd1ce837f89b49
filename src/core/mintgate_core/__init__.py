"""The core: keys, holds, charges and prices behind gRPC. Knows money, knows no wire format."""
