# Fit one model several times in one session; write seconds and estimates as CSV.
# Arguments: folder (data.csv, model.txt in; seconds.csv, estimates.csv out), estimator, missing, fits, tables,
# ordered
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(lavaan))
folder <- arguments[1]
estimator <- arguments[2]
missing <- arguments[3]
fits <- as.integer(arguments[4])
tables <- arguments[5] == "tables"
ordered <- if (arguments[6] == "ordered") TRUE else NULL
data <- read.csv(file.path(folder, "data.csv"))
model <- paste(readLines(file.path(folder, "model.txt")), collapse = "\n")
once <- function() {
  fit <- sem(model, data, estimator = estimator, missing = missing, ordered = ordered)
  if (tables) {
    parameterEstimates(fit, standardized = TRUE)
    fitMeasures(fit)
  }
  fit
}
if (fits > 1) invisible(once())  # the first call in a session is slower: byte compilation
seconds <- numeric(fits)
for (i in seq_len(fits)) {
  begin <- Sys.time()
  fit <- once()
  seconds[i] <- as.numeric(difftime(Sys.time(), begin, units = "secs"))
}
write.csv(data.frame(seconds = seconds), file.path(folder, "seconds.csv"), row.names = FALSE)
estimates <- parameterEstimates(fit, se = FALSE)[, c("lhs", "op", "rhs", "est")]
estimates$est <- format(estimates$est, digits = 17)
write.csv(estimates, file.path(folder, "estimates.csv"), row.names = FALSE)
cat(as.character(packageVersion("lavaan")))
