# Fit many models in one session. Argument: a folder with models.csv (number, estimator, missing, std_lv, group,
# group_equal), N.txt (model) and N.csv (data) for each number; results.csv is written row by row.
suppressPackageStartupMessages(library(lavaan))
folder <- commandArgs(trailingOnly = TRUE)[1]
models <- read.csv(file.path(folder, "models.csv"), colClasses = "character")
out <- file.path(folder, "results.csv")
cat("number,converged,proper,logl,npar,seconds,message\n", file = out)
for (i in seq_len(nrow(models))) {
  m <- models[i, ]
  data <- read.csv(file.path(folder, paste0(m$number, ".csv")))
  model <- paste(readLines(file.path(folder, paste0(m$number, ".txt"))), collapse = "\n")
  begin <- Sys.time()
  row <- tryCatch({
    given <- list(
      model = model, data = data, estimator = "ML", missing = m$missing, std.lv = m$std_lv == "TRUE",
      se = "none", test = "standard", baseline = FALSE, h1 = FALSE, meanstructure = m$means == "TRUE"
    )
    if (nzchar(m$group)) given$group <- m$group
    if (nzchar(m$group_equal)) given$group.equal <- strsplit(m$group_equal, " ")[[1]]
    fit <- suppressWarnings(do.call("sem", given))
    converged <- lavInspect(fit, "converged")
    proper <- converged && isTRUE(suppressWarnings(lavInspect(fit, "post.check")))
    logl <- tryCatch(as.numeric(fit@loglik$loglik), error = function(e) NA)
    if (length(logl) != 1) logl <- NA
    list(converged, proper, logl, fit@optim$npar, "")
  }, error = function(e) list(FALSE, FALSE, NA, NA, gsub("[\r\n,\"]+", " ", conditionMessage(e))))
  seconds <- as.numeric(difftime(Sys.time(), begin, units = "secs"))
  cat(m$number, row[[1]], row[[2]], format(row[[3]], digits = 17), row[[4]], round(seconds, 3), row[[5]],
      sep = ",", file = out, append = TRUE)
  cat("\n", file = out, append = TRUE)
}
